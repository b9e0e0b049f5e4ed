-- One row per user and day with approved leave: in hours, and, where Harvest names no hours, in parts of the day.
select
  r.account_id,
  r.user__id as user_id,
  q.date as day,
  sum(coalesce(q.hours, 0)) as leave_hours,
  sum(case when q.hours is null then coalesce(q.day_fraction, 1) else 0 end) as leave_parts
from pto_requests as r
join pto_requests__request_days as q on q.account_id = r.account_id and q.pto_request_id = r.id
where r.deleted_at is null and r.status = 'approved'
group by r.account_id, r.user__id, q.date
