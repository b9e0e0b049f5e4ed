select
  b.account_id,
  b.client_id,
  b.client_name,
  b.project_id,
  b.project_name,
  b.budget_by,
  b.currency,
  b.month,
  b.budget,
  b.spent,
  b.spent - b.budget as over_by,
  b.burn,
  b.as_of
from budget_burn as b
where b.is_current and b.is_active and b.is_over
