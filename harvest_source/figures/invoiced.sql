with payments as (
  select y.account_id, y.invoice_id, sum(y.amount) as amount
  from invoice_payments as y
  where y.deleted_at is null
  group by y.account_id, y.invoice_id
),
bills as (
  select
    i.account_id,
    i.client__id as client_id,
    k.name as client_name,
    c.month,
    i.currency,
    i.amount,
    coalesce(i.tax_amount, 0) + coalesce(i.tax2_amount, 0) as tax_amount,
    coalesce(y.amount, 0) as paid_amount,
    case when i.state = 'closed' then i.amount - coalesce(y.amount, 0) else 0 end as lost_amount,
    case when i.state = 'paid' then z.number - c.number end as days,
    case when i.retainer__id is null then 0 else i.amount end as retainer_amount
  from invoices as i
  left join payments as y on y.account_id = i.account_id and y.invoice_id = i.id
  left join calendar as c on c.day = i.issue_date
  left join calendar as z on z.day = i.paid_date
  left join clients as k on k.account_id = i.account_id and k.id = i.client__id and k.deleted_at is null
  where i.deleted_at is null and i.state <> 'draft'
),
sums as (
  select
    b.account_id,
    b.client_id,
    b.client_name,
    b.month,
    b.currency,
    count(*) as invoices_count,
    sum(b.amount) as amount,
    sum(b.tax_amount) as tax_amount,
    sum(b.paid_amount) as paid_amount,
    sum(b.lost_amount) as lost_amount,
    count(b.days) as paid_invoices,
    cast(sum(b.days) as decimal(20, 6)) as days,
    sum(b.retainer_amount) as retainer_amount
  from bills as b
  group by b.account_id, b.client_id, b.client_name, b.month, b.currency
)
select
  s.account_id,
  s.client_id,
  s.client_name,
  s.month,
  s.currency,
  s.invoices_count as invoices,
  s.amount as invoiced,
  s.tax_amount as tax,
  s.amount - s.tax_amount as net,
  s.paid_amount as paid,
  s.lost_amount as written_off,
  s.amount - s.paid_amount - s.lost_amount as due,
  cast(s.paid_amount / nullif(s.amount, 0) as decimal(20, 6)) as collection,
  s.paid_invoices,
  coalesce(s.days, 0) as days_to_pay_total,
  cast(s.days / nullif(s.paid_invoices, 0) as decimal(20, 6)) as days_to_pay,
  s.retainer_amount as on_retainer
from sums as s
