-- One row per line of an invoice, drafts too; net_amount is less the line's share of the discount, before tax.
with totals as (
  select l.account_id, l.invoice_id, sum(l.amount) as all_lines
  from invoices__line_items as l
  group by l.account_id, l.invoice_id
)
select
  i.account_id,
  i.id as invoice_id,
  i.state,
  l.project__id as project_id,
  l.kind,
  l.amount,
  l.amount - coalesce(cast(l.amount * i.discount_amount / nullif(t.all_lines, 0) as decimal(20, 6)), 0) as net_amount
from invoices as i
join invoices__line_items as l on l.account_id = i.account_id and l.invoice_id = i.id
join totals as t on t.account_id = i.account_id and t.invoice_id = i.id
where i.deleted_at is null
