with sums as (
  select
    m.account_id,
    m.client_id,
    m.client_name,
    m.project_id,
    m.project_name,
    m.currency,
    m.as_of,
    sum(m.hours) as hours,
    sum(m.work_revenue) as work_revenue,
    max(case when m.lacks_fee_or_dates then 1 else 0 end) as lacking
  from project_margin as m
  where m.is_billable
  group by m.account_id, m.client_id, m.client_name, m.project_id, m.project_name, m.currency, m.as_of
)
select
  s.account_id,
  s.client_id,
  s.client_name,
  s.project_id,
  s.project_name,
  s.currency,
  s.hours,
  s.work_revenue,
  case when s.lacking = 0 then cast(s.work_revenue / nullif(s.hours, 0) as decimal(20, 6)) end as effective_rate,
  s.as_of
from sums as s
