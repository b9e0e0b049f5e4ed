-- One row per user and day that is a holiday in the user's holiday calendar.
select
  g.account_id,
  g.user__id as user_id,
  h.date as day
from pto_assignments as g
join pto_holiday_calendars as k
  on k.account_id = g.account_id and k.id = g.holiday_calendar__id and k.deleted_at is null
join pto_holiday_calendars__entries as h on h.account_id = k.account_id and h.pto_holiday_calendar_id = k.id
where g.deleted_at is null
group by g.account_id, g.user__id, h.date
