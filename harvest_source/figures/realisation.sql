with expense_kinds as (
  select c.account_id, c.name
  from invoice_item_categories as c
  where c.deleted_at is null and c.use_as_expense
  group by c.account_id, c.name
),
charges as (
  select l.account_id, l.invoice_id, sum(l.net_amount) as charged_amount
  from invoice_lines as l
  left join expense_kinds as x on x.account_id = l.account_id and x.name = l.kind
  where x.name is null
  group by l.account_id, l.invoice_id
),
work as (
  select
    t.account_id,
    t.invoice_id,
    sum(t.billable_hours) as hours,
    sum(t.amount) as worked_amount,
    sum(t.hours_without_rate) as hours_without_rate
  from tracked_time as t
  where t.invoice_id is not null
  group by t.account_id, t.invoice_id
)
select
  i.account_id,
  i.client__id as client_id,
  k.name as client_name,
  i.id as invoice_id,
  i.number as invoice_number,
  c.month,
  i.currency,
  w.hours,
  w.worked_amount,
  coalesce(g.charged_amount, 0) as charged_amount,
  cast(coalesce(g.charged_amount, 0) / nullif(w.worked_amount, 0) as decimal(20, 6)) as realisation,
  w.hours_without_rate
from invoices as i
join work as w on w.account_id = i.account_id and w.invoice_id = i.id
left join charges as g on g.account_id = i.account_id and g.invoice_id = i.id
left join calendar as c on c.day = i.issue_date
left join clients as k on k.account_id = i.account_id and k.id = i.client__id and k.deleted_at is null
where i.deleted_at is null and i.state <> 'draft'
