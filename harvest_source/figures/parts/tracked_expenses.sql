-- One row per expense.
select
  x.account_id,
  x.id as expense_id,
  x.spent_date as day,
  c.month,
  coalesce(p.client__id, x.client__id) as client_id,
  k.name as client_name,
  x.project__id as project_id,
  p.name as project_name,
  x.total_cost,
  coalesce(k.currency, x.client__currency, a.currency) as currency,
  x.billable as is_billable,
  coalesce(x.is_billed, false) as is_billed,
  a.as_of_number - c.number as days_old
from expenses as x
join account_now as a on a.account_id = x.account_id
join calendar as c on c.day = x.spent_date
left join projects as p on p.account_id = x.account_id and p.id = x.project__id and p.deleted_at is null
left join clients as k
  on k.account_id = x.account_id and k.id = coalesce(p.client__id, x.client__id) and k.deleted_at is null
where x.deleted_at is null
