-- One row per account with a row of paid time off: of any other it is not known who is away.
with found as (
  select t.account_id from pto_types as t where t.deleted_at is null
  union all
  select r.account_id from pto_requests as r where r.deleted_at is null
  union all
  select g.account_id from pto_assignments as g where g.deleted_at is null
)
select f.account_id
from found as f
group by f.account_id
