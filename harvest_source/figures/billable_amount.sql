with work as (
  select
    t.account_id,
    t.client_id,
    t.client_name,
    t.project_id,
    t.project_name,
    t.month,
    t.currency,
    t.rounded_hours as hours,
    t.billable_hours,
    t.amount as time_amount,
    cast(0 as decimal(20, 6)) as expense_amount,
    t.hours_without_rate
  from tracked_time as t
  union all
  select
    x.account_id,
    x.client_id,
    x.client_name,
    x.project_id,
    x.project_name,
    x.month,
    x.currency,
    cast(0 as decimal(20, 6)) as hours,
    cast(0 as decimal(20, 6)) as billable_hours,
    cast(0 as decimal(20, 6)) as time_amount,
    x.total_cost as expense_amount,
    cast(0 as decimal(20, 6)) as hours_without_rate
  from tracked_expenses as x
  where x.is_billable
),
sums as (
  select
    w.account_id,
    w.client_id,
    w.client_name,
    w.project_id,
    w.project_name,
    w.month,
    w.currency,
    sum(w.hours) as hours,
    sum(w.billable_hours) as billable_hours,
    sum(w.time_amount) as time_amount,
    sum(w.expense_amount) as expense_amount,
    sum(w.hours_without_rate) as hours_without_rate
  from work as w
  group by w.account_id, w.client_id, w.client_name, w.project_id, w.project_name, w.month, w.currency
)
select
  s.account_id,
  s.client_id,
  s.client_name,
  s.project_id,
  s.project_name,
  s.month,
  s.currency,
  s.hours,
  s.billable_hours,
  cast(s.billable_hours / nullif(s.hours, 0) as decimal(20, 6)) as billable_ratio,
  case when a.has_rates then s.time_amount end as time_amount,
  s.expense_amount,
  case when a.has_rates then s.time_amount + s.expense_amount end as billable_amount,
  s.hours_without_rate
from sums as s
join account_now as a on a.account_id = s.account_id
