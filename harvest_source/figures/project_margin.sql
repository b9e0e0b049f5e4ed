with on_invoices as (
  select l.account_id, l.project_id, sum(l.net_amount) as amount
  from invoice_lines as l
  where l.state in ('open', 'paid')
  group by l.account_id, l.project_id
),
fees as (
  select
    p.account_id,
    p.id as project_id,
    p.starts_on,
    p.ends_on,
    case when i.amount > p.fee then i.amount else p.fee end as fee,
    z.number - y.number + 1 as days
  from projects as p
  join calendar as y on y.day = p.starts_on
  join calendar as z on z.day = p.ends_on
  left join on_invoices as i on i.account_id = p.account_id and i.project_id = p.id
  where p.is_billable and p.is_fixed_fee and p.fee is not null and p.starts_on <= p.ends_on
),
work as (
  select
    t.account_id,
    t.project_id,
    t.month,
    t.hours,
    t.amount,
    t.cost,
    cast(0 as decimal(20, 6)) as billable_expenses,
    cast(0 as decimal(20, 6)) as all_expenses,
    t.hours_without_rate,
    t.hours_without_cost,
    cast(null as date) as fee_day
  from tracked_time as t
  union all
  select
    x.account_id,
    x.project_id,
    x.month,
    cast(0 as decimal(20, 6)) as hours,
    cast(0 as decimal(20, 6)) as amount,
    cast(0 as decimal(20, 6)) as cost,
    case when x.is_billable then x.total_cost else 0 end as billable_expenses,
    x.total_cost as all_expenses,
    cast(0 as decimal(20, 6)) as hours_without_rate,
    cast(0 as decimal(20, 6)) as hours_without_cost,
    cast(null as date) as fee_day
  from tracked_expenses as x
  union all
  select
    f.account_id,
    f.project_id,
    c.month,
    cast(0 as decimal(20, 6)) as hours,
    cast(0 as decimal(20, 6)) as amount,
    cast(0 as decimal(20, 6)) as cost,
    cast(0 as decimal(20, 6)) as billable_expenses,
    cast(0 as decimal(20, 6)) as all_expenses,
    cast(0 as decimal(20, 6)) as hours_without_rate,
    cast(0 as decimal(20, 6)) as hours_without_cost,
    c.day as fee_day
  from fees as f
  join account_now as a on a.account_id = f.account_id
  join calendar as c on c.day >= f.starts_on and c.day <= f.ends_on and c.day <= a.as_of
),
sums as (
  select
    w.account_id,
    w.project_id,
    w.month,
    sum(w.hours) as hours,
    sum(w.amount) as amount,
    sum(w.cost) as cost,
    sum(w.billable_expenses) as billable_expenses,
    sum(w.all_expenses) as all_expenses,
    sum(w.hours_without_rate) as hours_without_rate,
    sum(w.hours_without_cost) as hours_without_cost,
    count(w.fee_day) as fee_days
  from work as w
  group by w.account_id, w.project_id, w.month
),
sides as (
  select
    s.account_id,
    p.client__id as client_id,
    k.name as client_name,
    s.project_id,
    p.name as project_name,
    s.month,
    p.is_billable,
    p.is_fixed_fee,
    coalesce(k.currency, p.client__currency, a.currency) as currency,
    s.hours,
    case
      when f.days is not null then cast(f.fee * s.fee_days / f.days as decimal(20, 6))
      when p.is_billable and not a.has_rates then null
      when p.is_billable and not p.is_fixed_fee then s.amount
      else 0
    end as work_revenue,
    case when p.is_billable and not p.is_fixed_fee then s.billable_expenses else 0 end as expense_revenue,
    a.currency as cost_currency,
    case when a.has_costs then s.cost end as time_cost,
    s.all_expenses as expense_cost,
    case when p.is_billable and not p.is_fixed_fee then s.hours_without_rate else 0 end as hours_without_rate,
    s.hours_without_cost,
    case when p.is_billable and p.is_fixed_fee and f.days is null then true else false end as lacks_fee_or_dates,
    a.as_of
  from sums as s
  join projects as p on p.account_id = s.account_id and p.id = s.project_id and p.deleted_at is null
  join account_now as a on a.account_id = s.account_id
  left join clients as k on k.account_id = s.account_id and k.id = p.client__id and k.deleted_at is null
  left join fees as f on f.account_id = s.account_id and f.project_id = s.project_id
),
profits as (
  select
    r.account_id,
    r.client_id,
    r.client_name,
    r.project_id,
    r.project_name,
    r.month,
    r.is_billable,
    r.is_fixed_fee,
    r.currency,
    r.hours,
    r.work_revenue,
    r.expense_revenue,
    r.work_revenue + r.expense_revenue as revenue,
    r.cost_currency,
    r.time_cost,
    r.expense_cost,
    case
      when r.currency = r.cost_currency and not r.lacks_fee_or_dates
        then r.work_revenue + r.expense_revenue - r.time_cost - r.expense_cost
    end as profit,
    r.hours_without_rate,
    r.hours_without_cost,
    r.lacks_fee_or_dates,
    r.as_of
  from sides as r
)
select
  g.account_id,
  g.client_id,
  g.client_name,
  g.project_id,
  g.project_name,
  g.month,
  g.is_billable,
  g.is_fixed_fee,
  g.currency,
  g.hours,
  g.work_revenue,
  g.expense_revenue,
  g.revenue,
  g.cost_currency,
  g.time_cost,
  g.expense_cost,
  g.profit,
  cast(g.profit / nullif(g.revenue, 0) as decimal(20, 6)) as margin,
  g.hours_without_rate,
  g.hours_without_cost,
  g.lacks_fee_or_dates,
  g.as_of
from profits as g
