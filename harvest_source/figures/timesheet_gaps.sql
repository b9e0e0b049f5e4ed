-- 18,000 seconds of weekly capacity are an hour of each of its five days
with weeks as (
  select
    d.account_id,
    d.user_id,
    d.user_name,
    d.week,
    d.as_of,
    sum(d.hours) as hours,
    cast(cast(sum(d.weekly_seconds) as decimal(20, 6)) / 18000 as decimal(20, 6)) as capacity_hours,
    count(case when d.is_working_day and d.hours = 0 then d.day end) as empty_days
  from user_days as d
  group by d.account_id, d.user_id, d.user_name, d.week, d.as_of
)
select
  w.account_id,
  w.user_id,
  w.user_name,
  w.week,
  w.hours,
  w.capacity_hours,
  case when w.capacity_hours > w.hours then w.capacity_hours - w.hours else 0 end as missing_hours,
  w.empty_days,
  w.as_of
from weeks as w
where w.empty_days > 0 and w.capacity_hours > 0
