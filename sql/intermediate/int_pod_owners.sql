-- int_pod_owners: the pods that take part of an instance by request, so that those without a device get a workload too.
-- grain:  usage_hour_at, instance_id, owner_id
-- column: usage_hour_at | UTC hour
-- column: instance_id | EC2 instance
-- column: owner_id | owner: kind and its parts, separated by the unit separator
-- column: valid_from_at | the hour: a pod changes nothing before
-- check:  fail | owner_id like 'pod%' | only pods ask for parts of an instance

select
    usage_hour_at,
    instance_id,
    owner_id,
    usage_hour_at as valid_from_at,
from int_pod_hours
