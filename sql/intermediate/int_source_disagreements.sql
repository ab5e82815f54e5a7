-- int_source_disagreements: neuron-monitor samples that CloudWatch contradicts by more than five points over its period.
-- grain:  instance_id, device_index, sample_at
-- column: instance_id | EC2 instance id
-- column: device_index | Neuron device
-- column: sample_at | instant of the neuron-monitor sample
-- check:  fail | device_index >= 0 | the sample is a device's
-- window: sample_at
-- lookback: 1 hour

-- what another source said of the same minutes is never mixed in, but it is a doubt
with doubtful_periods as (
    select
        c.instance_id,
        c.device_index,
        c.sample_at,
        c.cadence_ms,
    from int_cloudwatch_devices as c
    join int_neuron_devices as n
        on
            c.instance_id = n.instance_id
            and c.device_index = n.device_index
            and n.sample_at > c.sample_at - to_milliseconds(c.cadence_ms)
            and n.sample_at <= c.sample_at
    where
        c.sample_at >= $start_at
        and c.sample_at < $end_at + interval 1 hour
        and n.sample_at >= $start_at - interval 1 hour
        and n.sample_at < $end_at + interval 1 hour
    group by c.instance_id, c.device_index, c.sample_at, c.cadence_ms, c.busy_ppm
    having abs(sum(n.busy_ppm) - c.busy_ppm * count(n.busy_ppm)) > 50000 * count(n.busy_ppm)
)

select distinct
    n.instance_id,
    n.device_index,
    n.sample_at,
from int_neuron_devices as n
join doubtful_periods as c
    on
        n.instance_id = c.instance_id
        and n.device_index = c.device_index
        and n.sample_at > c.sample_at - to_milliseconds(c.cadence_ms)
        and n.sample_at <= c.sample_at
where n.sample_at >= $start_at and n.sample_at < $end_at
