-- int_core_owners: who owned each NeuronCore, as suppliers other than neuron-monitor tell it.
-- grain:  source, instance_id, sample_at, core_index, owner_id
-- column: source | supplier, as in int_core_samples
-- column: instance_id | EC2 instance id
-- column: sample_at | end of the period
-- column: device_index | Neuron device of the core
-- column: core_index | logical core, numbered over the whole instance
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: owner_number | position among the owners of the core, from 1
-- column: owner_count | owners of the core
-- column: core_busy_ppm | busy ppm of the core; NULL where unknown
-- check:  fail | owner_number between 1 and owner_count | owners of a core are numbered
-- window: sample_at

with cores as (
    select
        *,
        -- CloudWatch's pod figures carry no instance: only a core that one node of the cluster has can be matched
        count(*) over (partition by account_id, region, cluster, core_index, sample_at) as node_count,
    from int_core_samples
    where source in ('cloudwatch', 'metric_stream') and sample_at >= $start_at and sample_at < $end_at
),

owners as (
    select distinct
        c.source,
        c.instance_id,
        c.sample_at,
        c.device_index,
        c.core_index,
        concat_ws(chr(31), 'pod', p.namespace, p.pod_name, p.container_name) as owner_id,
        c.busy_ppm as core_busy_ppm,
    from cores as c
    join int_cloudwatch_pods as p using (account_id, region, cluster, core_index, sample_at)
    where c.node_count = 1 and p.sample_at >= $start_at and p.sample_at < $end_at
    union all
    select
        source,
        instance_id,
        sample_at,
        device_index,
        core_index,
        unnest(owner_ids) as owner_id,
        busy_ppm as core_busy_ppm,
    from int_exporter_cores
    where sample_at >= $start_at and sample_at < $end_at
    union all
    select
        c.source,
        c.instance_id,
        c.sample_at,
        c.device_index,
        c.core_index,
        concat_ws(chr(31), 'pod', p.namespace, p.pod_name, p.container_name) as owner_id,
        c.busy_ppm as core_busy_ppm,
    from int_core_samples as c
    join stg_emf_pods as p
        on c.instance_id = p.host and c.core_index = p.core_index and c.sample_at = p.sample_at
    where
        c.source = 'emf'
        and c.sample_at >= $start_at
        and c.sample_at < $end_at
        and p.sample_at >= $start_at
        and p.sample_at < $end_at
)

select
    source,
    instance_id,
    sample_at,
    device_index,
    core_index,
    owner_id,
    row_number() over (partition by source, instance_id, sample_at, core_index order by owner_id) as owner_number,
    count(*) over (partition by source, instance_id, sample_at, core_index) as owner_count,
    core_busy_ppm,
from owners
