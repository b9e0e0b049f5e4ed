with task_budgets as (
  select g.account_id, g.project__id as project_id, g.task__id as task_id, sum(g.budget) as budget
  from task_assignments as g
  where g.deleted_at is null and g.is_active
  group by g.account_id, g.project__id, g.task__id
),
user_budgets as (
  select g.account_id, g.project__id as project_id, g.user__id as user_id, sum(g.budget) as budget
  from user_assignments as g
  where g.deleted_at is null and g.is_active
  group by g.account_id, g.project__id, g.user__id
),
of_tasks as (
  select b.account_id, b.project_id, sum(b.budget) as budget
  from task_budgets as b
  group by b.account_id, b.project_id
),
of_users as (
  select b.account_id, b.project_id, sum(b.budget) as budget
  from user_budgets as b
  group by b.account_id, b.project_id
),
spending as (
  select
    t.account_id,
    t.project_id,
    case when p.budget_is_monthly then t.month end as month,
    case
      when p.budget_by = 'project' and t.is_budgeted then t.rounded_hours
      when p.budget_by = 'project_cost' then t.amount
      when p.budget_by = 'task' and b.budget is not null then t.rounded_hours
      when p.budget_by = 'task_fees' and b.budget is not null then t.amount
      when p.budget_by = 'person' and g.budget is not null then t.rounded_hours
      else 0
    end as spent
  from tracked_time as t
  join projects as p on p.account_id = t.account_id and p.id = t.project_id
  left join task_budgets as b
    on b.account_id = t.account_id and b.project_id = t.project_id and b.task_id = t.task_id
  left join user_budgets as g
    on g.account_id = t.account_id and g.project_id = t.project_id and g.user_id = t.user_id
  union all
  select
    x.account_id,
    x.project_id,
    case when p.budget_is_monthly then x.month end as month,
    x.total_cost as spent
  from tracked_expenses as x
  join projects as p on p.account_id = x.account_id and p.id = x.project_id
  where p.budget_by = 'project_cost' and p.cost_budget_include_expenses
  union all
  select
    p.account_id,
    p.id as project_id,
    case when p.budget_is_monthly then a.as_of_month end as month,
    cast(0 as decimal(20, 6)) as spent
  from projects as p
  join account_now as a on a.account_id = p.account_id
),
periods as (
  select s.account_id, s.project_id, s.month, sum(s.spent) as spent
  from spending as s
  group by s.account_id, s.project_id, s.month
),
burns as (
  select
    p.account_id,
    p.client__id as client_id,
    p.id as project_id,
    p.name as project_name,
    p.is_active,
    p.budget_by,
    p.client__currency,
    s.month,
    case
      when p.budget_by = 'project' then p.budget
      when p.budget_by = 'project_cost' then p.cost_budget
      when p.budget_by = 'person' then g.budget
      else b.budget
    end as budget,
    s.spent,
    case when p.budget_by = 'project_cost' or p.budget_by = 'task_fees' then true else false end as is_money
  from projects as p
  join periods as s on s.account_id = p.account_id and s.project_id = p.id
  left join of_tasks as b on b.account_id = p.account_id and b.project_id = p.id
  left join of_users as g on g.account_id = p.account_id and g.project_id = p.id
  where p.deleted_at is null and p.budget_by <> 'none'
),
seen as (
  select
    r.account_id,
    r.client_id,
    k.name as client_name,
    r.project_id,
    r.project_name,
    r.is_active,
    r.budget_by,
    case when r.is_money then coalesce(k.currency, r.client__currency, a.currency) end as currency,
    r.month,
    case when r.month <> a.as_of_month then false else true end as is_current,
    r.budget,
    case when r.is_money and not a.has_rates then null else r.spent end as spent,
    a.as_of
  from burns as r
  join account_now as a on a.account_id = r.account_id
  left join clients as k on k.account_id = r.account_id and k.id = r.client_id and k.deleted_at is null
)
select
  s.account_id,
  s.client_id,
  s.client_name,
  s.project_id,
  s.project_name,
  s.is_active,
  s.budget_by,
  s.currency,
  s.month,
  s.is_current,
  s.budget,
  s.spent,
  s.budget - s.spent as remaining,
  cast(s.spent / nullif(s.budget, 0) as decimal(20, 6)) as burn,
  s.spent > s.budget as is_over,
  s.as_of
from seen as s
