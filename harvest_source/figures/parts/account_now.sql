-- One row per account: the day of its data, its currency, and whether any of its entries shows a rate or a cost.
select
  a.account_id,
  a.currency,
  a.as_of,
  c.number as as_of_number,
  c.month as as_of_month,
  case when count(e.billable_rate) > 0 then true else false end as has_rates,
  case when count(e.cost_rate) > 0 then true else false end as has_costs
from accounts as a
join calendar as c on c.day = a.as_of
left join time_entries as e on e.account_id = a.account_id and e.deleted_at is null
group by a.account_id, a.currency, a.as_of, c.number, c.month
