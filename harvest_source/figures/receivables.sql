with unpaid as (
  select
    i.account_id,
    i.client__id as client_id,
    k.name as client_name,
    i.id as invoice_id,
    i.number as invoice_number,
    i.currency,
    i.amount,
    i.due_amount,
    i.issue_date,
    i.due_date,
    case when a.as_of > i.due_date then d.number - c.number else 0 end as days_overdue,
    a.as_of
  from invoices as i
  join accounts as a on a.account_id = i.account_id
  join calendar as d on d.day = a.as_of
  left join calendar as c on c.day = i.due_date
  left join clients as k on k.account_id = i.account_id and k.id = i.client__id and k.deleted_at is null
  where i.deleted_at is null and i.state = 'open' and i.due_amount > 0
)
select
  o.account_id,
  o.client_id,
  o.client_name,
  o.invoice_id,
  o.invoice_number,
  o.currency,
  o.amount,
  o.amount - o.due_amount as paid,
  o.due_amount,
  o.issue_date,
  o.due_date,
  o.days_overdue,
  case
    when o.days_overdue <= 0 then 'not due'
    when o.days_overdue <= 30 then '1-30'
    when o.days_overdue <= 60 then '31-60'
    when o.days_overdue <= 90 then '61-90'
    else 'over 90'
  end as age,
  o.as_of
from unpaid as o
