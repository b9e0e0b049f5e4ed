-- One row per user and day, from the first entry to the day of the data; of archived users to their last entry.
with days_tracked as (
  select
    t.account_id,
    t.user_id,
    t.user_name,
    t.as_of,
    t.day,
    sum(t.hours) as hours,
    sum(case when t.is_billable then t.hours else 0 end) as billable_hours
  from tracked_time as t
  where t.day <= t.as_of
  group by t.account_id, t.user_id, t.user_name, t.as_of, t.day
),
spans as (
  select d.account_id, d.user_id, d.user_name, d.as_of, min(d.day) as first_day, max(d.day) as last_day
  from days_tracked as d
  group by d.account_id, d.user_id, d.user_name, d.as_of
)
select
  s.account_id,
  s.user_id,
  s.user_name,
  s.as_of,
  c.day,
  c.week,
  c.month,
  c.is_working_day,
  case when c.is_working_day then coalesce(u.weekly_capacity, y.weekly_capacity) else 0 end as weekly_seconds,
  coalesce(d.hours, 0) as hours,
  coalesce(d.billable_hours, 0) as billable_hours
from spans as s
join users as u on u.account_id = s.account_id and u.id = s.user_id and u.deleted_at is null
left join company as y on y.account_id = s.account_id and y.deleted_at is null
join calendar as c
  on c.day >= s.first_day and c.day <= case when u.is_active then s.as_of else s.last_day end
left join days_tracked as d on d.account_id = s.account_id and d.user_id = s.user_id and d.day = c.day
