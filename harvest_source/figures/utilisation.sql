-- 18,000 seconds of weekly capacity are an hour of each of its five days; a holiday takes all of its day, and leave on it nothing
with days_asked as (
  select
    d.account_id,
    d.user_id,
    d.user_name,
    d.month,
    d.as_of,
    d.hours,
    d.billable_hours,
    d.weekly_seconds,
    w.account_id as known_account,
    case when h.day is null then 0 else d.weekly_seconds end as holiday_seconds,
    case when h.day is null then d.weekly_seconds else 0 end as seconds_left,
    coalesce(l.leave_hours, 0) * 18000 + coalesce(l.leave_parts, 0) * d.weekly_seconds as asked_seconds
  from user_days as d
  left join accounts_with_time_off as w on w.account_id = d.account_id
  left join public_holidays as h on h.account_id = d.account_id and h.user_id = d.user_id and h.day = d.day
  left join approved_leave as l on l.account_id = d.account_id and l.user_id = d.user_id and l.day = d.day
),
days_away as (
  select
    q.account_id,
    q.user_id,
    q.user_name,
    q.month,
    q.as_of,
    q.hours,
    q.billable_hours,
    q.weekly_seconds,
    q.known_account,
    q.holiday_seconds,
    q.seconds_left,
    case when q.asked_seconds < q.seconds_left then q.asked_seconds else q.seconds_left end as leave_seconds
  from days_asked as q
),
months as (
  select
    a.account_id,
    a.user_id,
    a.user_name,
    a.month,
    a.as_of,
    sum(a.hours) as hours,
    sum(a.billable_hours) as billable_hours,
    cast(cast(sum(a.weekly_seconds) as decimal(20, 6)) / 18000 as decimal(20, 6)) as capacity_hours,
    count(a.known_account) as known_days,
    cast(cast(sum(a.holiday_seconds) as decimal(20, 6)) / 18000 as decimal(20, 6)) as holiday_hours,
    cast(cast(sum(a.leave_seconds) as decimal(20, 6)) / 18000 as decimal(20, 6)) as leave_hours,
    cast(cast(sum(a.seconds_left - a.leave_seconds) as decimal(20, 6)) / 18000 as decimal(20, 6)) as available_hours
  from days_away as a
  group by a.account_id, a.user_id, a.user_name, a.month, a.as_of
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
  m.as_of,
  case when m.known_days > 0 then m.holiday_hours end as holiday_hours,
  case when m.known_days > 0 then m.leave_hours end as leave_hours,
  case when m.known_days > 0 then m.available_hours end as available_hours,
  case when m.known_days > 0 then cast(m.hours / nullif(m.available_hours, 0) as decimal(20, 6)) end as available_utilisation,
  case
    when m.known_days > 0 then cast(m.billable_hours / nullif(m.available_hours, 0) as decimal(20, 6))
  end as available_billable_utilisation
from months as m
