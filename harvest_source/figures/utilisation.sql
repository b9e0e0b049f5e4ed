-- 18,000 seconds of weekly capacity are an hour of each of its five days
with months as (
  select
    d.account_id,
    d.user_id,
    d.user_name,
    d.month,
    d.as_of,
    sum(d.hours) as hours,
    sum(d.billable_hours) as billable_hours,
    cast(cast(sum(d.weekly_seconds) as decimal(20, 6)) / 18000 as decimal(20, 6)) as capacity_hours
  from user_days as d
  group by d.account_id, d.user_id, d.user_name, d.month, d.as_of
)
select
  m.account_id,
  m.user_id,
  m.user_name,
  m.month,
  m.hours,
  m.billable_hours,
  m.capacity_hours,
  cast(m.hours / nullif(m.capacity_hours, 0) as decimal(20, 6)) as utilisation,
  cast(m.billable_hours / nullif(m.capacity_hours, 0) as decimal(20, 6)) as billable_utilisation,
  m.as_of
from months as m
