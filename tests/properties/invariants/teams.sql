-- Teams: what a tag names is charged to its team from that day on, however key and value are spelt; an untagged day to nobody.
with jobs as (
    select twin, usage_date, '-/-/sagemaker-training/' || job as workload_id, max(team) as team
    from true_lines
    where job <> '' and told_as(twin) <> 'explorer'
    group by all
)

select bill_of(twin) as bill, told_as(twin) as told, usage_date, t.team, c.team
from jobs as t
left join mart_chargeback_daily as c using (usage_date, workload_id)
where t.team is distinct from c.team
