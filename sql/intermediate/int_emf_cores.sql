-- int_emf_cores: NeuronCores of Container Insights' log events, with their device and a doubt where pods contradict them.
-- grain:  host, core_index, sample_at
-- column: source | emf
-- column: account_id | account of the log group, '' where the object does not say
-- column: region | AWS region, '' where the event does not say
-- column: cluster | ClusterName
-- column: host | EC2 instance id
-- column: instance_type | EC2 instance type
-- column: device_index | Neuron device, from the type's cores per device where the event does not say
-- column: core_index | logical core, numbered over the whole instance
-- column: sample_at | end of the minute
-- column: period_ms | one minute
-- column: busy_ppm | parts per million of the sampled period that the core executed
-- column: memory_used_bytes | device memory in use on the core
-- column: is_scale_suspect | a value below 0 or above 100.5 percent
-- column: is_misattributed | several pods are named on the core, or a container's figure is more than 5 points off the core's: the agent put one pod's attributes on another's core
-- check:  fail | device_index >= 0 | a core lies on a device
-- window: sample_at

with pods as (
    select
        p.host,
        p.core_index,
        p.sample_at,
        -- the device plugin gives a core to one pod, and a container's figure repeats the core's
        min((p.namespace, p.pod_name)) <> max((p.namespace, p.pod_name))
        or coalesce(bool_or(abs(p.busy_ppm - c.busy_ppm) > 50000), false) as is_misattributed,
    from stg_emf_pods as p
    join stg_emf_cores as c using (host, core_index, sample_at)
    where
        p.sample_at >= $start_at
        and p.sample_at < $end_at
        and c.sample_at >= $start_at
        and c.sample_at < $end_at
    group by p.host, p.core_index, p.sample_at
)

select
    c.source,
    c.account_id,
    c.region,
    c.cluster,
    host,
    c.instance_type,
    coalesce(c.device_index, c.core_index // t.logical_cores_per_device, 0) as device_index,
    core_index,
    sample_at,
    c.period_ms,
    c.busy_ppm,
    c.memory_used_bytes,
    c.is_scale_suspect,
    coalesce(p.is_misattributed, false) as is_misattributed,
from stg_emf_cores as c
left join seed_instance_types as t using (instance_type)
left join pods as p using (host, core_index, sample_at)
where c.sample_at >= $start_at and c.sample_at < $end_at
