select
  e.account_id,
  e.id as time_entry_id,
  e.spent_date as day,
  c.week,
  c.month,
  e.user__id as user_id,
  coalesce(u.first_name || ' ' || nullif(u.last_name, ''), u.first_name) as user_name,
  coalesce(p.client__id, e.client__id) as client_id,
  k.name as client_name,
  e.project__id as project_id,
  p.name as project_name,
  e.task__id as task_id,
  t.name as task_name,
  e.hours,
  e.rounded_hours,
  case when e.billable then e.rounded_hours else 0 end as billable_hours,
  coalesce(k.currency, e.client__currency, a.currency) as currency,
  case
    when not a.has_rates then null
    when e.billable then e.rounded_hours * coalesce(e.billable_rate, 0)
    else 0
  end as amount,
  a.currency as cost_currency,
  case when a.has_costs then e.hours * coalesce(e.cost_rate, 0) end as cost,
  coalesce(e.billable, false) as is_billable,
  coalesce(e.is_billed, false) as is_billed,
  coalesce(e.budgeted, true) as is_budgeted,
  e.invoice__id as invoice_id,
  a.as_of_number - c.number as days_old,
  case when e.billable and e.billable_rate is null then e.rounded_hours else 0 end as hours_without_rate,
  case when e.cost_rate is null then e.hours else 0 end as hours_without_cost,
  a.as_of
from time_entries as e
join account_now as a on a.account_id = e.account_id
join calendar as c on c.day = e.spent_date
left join projects as p on p.account_id = e.account_id and p.id = e.project__id and p.deleted_at is null
left join clients as k
  on k.account_id = e.account_id and k.id = coalesce(p.client__id, e.client__id) and k.deleted_at is null
left join users as u on u.account_id = e.account_id and u.id = e.user__id and u.deleted_at is null
left join tasks as t on t.account_id = e.account_id and t.id = e.task__id and t.deleted_at is null
where e.deleted_at is null and not coalesce(e.is_running, false)
