with work as (
  select
    t.account_id,
    t.project_id,
    t.day,
    t.days_old,
    t.billable_hours as hours,
    cast(0 as decimal(20, 6)) as expenses_amount,
    t.amount,
    t.hours_without_rate
  from tracked_time as t
  where t.is_billable and not t.is_billed
  union all
  select
    x.account_id,
    x.project_id,
    x.day,
    x.days_old,
    cast(0 as decimal(20, 6)) as hours,
    x.total_cost as expenses_amount,
    x.total_cost as amount,
    cast(0 as decimal(20, 6)) as hours_without_rate
  from tracked_expenses as x
  where x.is_billable and not x.is_billed
),
sums as (
  select
    w.account_id,
    w.project_id,
    min(w.day) as oldest_day,
    sum(w.hours) as hours,
    sum(w.expenses_amount) as expenses_amount,
    sum(w.amount) as amount,
    sum(case when w.days_old <= 30 then w.amount else 0 end) as days_0_30,
    sum(case when w.days_old > 30 and w.days_old <= 60 then w.amount else 0 end) as days_31_60,
    sum(case when w.days_old > 60 and w.days_old <= 90 then w.amount else 0 end) as days_61_90,
    sum(case when w.days_old > 90 then w.amount else 0 end) as days_over_90,
    sum(w.hours_without_rate) as hours_without_rate
  from work as w
  group by w.account_id, w.project_id
),
billed as (
  select
    l.account_id,
    l.project_id,
    sum(case when l.state = 'draft' then l.amount else 0 end) as on_drafts,
    sum(case when l.state = 'draft' then 0 else l.amount end) as on_invoices
  from invoice_lines as l
  group by l.account_id, l.project_id
)
select
  p.account_id,
  p.client__id as client_id,
  k.name as client_name,
  p.id as project_id,
  p.name as project_name,
  p.is_fixed_fee,
  coalesce(k.currency, p.client__currency, a.currency) as currency,
  coalesce(s.hours, 0) as uninvoiced_hours,
  coalesce(s.expenses_amount, 0) as uninvoiced_expenses,
  case
    when p.is_fixed_fee then case
      when p.fee is null and not a.has_rates then null
      when a.as_of < coalesce(p.starts_on, cast(p.created_at as date)) then 0
      when p.fee > coalesce(b.on_invoices, 0) then p.fee - coalesce(b.on_invoices, 0)
      else 0
    end
    when a.has_rates then coalesce(s.amount, 0)
  end as uninvoiced_amount,
  coalesce(b.on_drafts, 0) as on_drafts,
  case when p.is_fixed_fee then null when a.has_rates then coalesce(s.days_0_30, 0) end as days_0_30,
  case when p.is_fixed_fee then null when a.has_rates then coalesce(s.days_31_60, 0) end as days_31_60,
  case when p.is_fixed_fee then null when a.has_rates then coalesce(s.days_61_90, 0) end as days_61_90,
  case when p.is_fixed_fee then null when a.has_rates then coalesce(s.days_over_90, 0) end as days_over_90,
  case when p.is_fixed_fee then null else s.oldest_day end as oldest_day,
  case when p.is_fixed_fee then 0 else coalesce(s.hours_without_rate, 0) end as hours_without_rate,
  a.as_of
from projects as p
join account_now as a on a.account_id = p.account_id
left join clients as k on k.account_id = p.account_id and k.id = p.client__id and k.deleted_at is null
left join sums as s on s.account_id = p.account_id and s.project_id = p.id
left join billed as b on b.account_id = p.account_id and b.project_id = p.id
where p.deleted_at is null and p.is_billable
