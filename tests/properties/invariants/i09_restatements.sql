-- I9 Restatement, as told: the changes of all deliveries add up to the bill, and those of the last to what it said otherwise.
with changes as (
    select
        bill_of(twin_of(account_id)) as bill, told_as(twin_of(account_id)) as told, record_type,
        sum(change_usd) as all_usd,
        -- the second of the two deliveries of the base
        coalesce(sum(change_usd) filter (where delivered_at in (
            select d.delivered_at from raw_deliveries as d where d.object = 'cur/' || twin_of(account_id) || '/1'
        )), 0) as late_usd,
    from mart_restatements
    where status = 'applied'
    group by all
),

lines as (
    select bill_of(twin) as bill, told_as(twin) as told, record_type, sum(billed_usd) as usd
    from true_lines
    group by all
)

select bill, told, record_type, c.all_usd, l.usd, c.late_usd, b.restated_usd
from changes as c
full join lines as l using (bill, told, record_type)
join true_bills as b on b.number = bill
where
    coalesce(c.all_usd, 0) <> coalesce(l.usd, 0)
    or (told = 'base' and coalesce(c.late_usd, 0) <> case when record_type = 'Tax' then b.restated_usd else 0 end)
