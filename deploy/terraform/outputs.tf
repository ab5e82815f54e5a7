output "settings" {
  description = "What chipledger reads from its environment."
  value = {
    CHIPLEDGER_INBOX   = join(",", concat([for prefix in values(local.arrivals) : "s3://${var.bucket}/${prefix}"], [for bucket in var.other_buckets : "s3://${bucket}/"]))
    CHIPLEDGER_QUEUES  = aws_sqs_queue.events.url
    CHIPLEDGER_REGIONS = var.region

    CHIPLEDGER_INVENTORY_REGIONS = var.region
    CHIPLEDGER_INVENTORY_ROLES   = join(",", [for account in var.linked_accounts : "arn:${local.partition}:iam::${account}:role/${var.reader_role}"])

    AWS_DEFAULT_REGION = var.region
  }
}

output "role_arn" {
  description = "The role that chipledger runs as."
  value       = aws_iam_role.chipledger.arn
}

output "instance_profile" {
  description = "The instance profile to give an EC2 instance; empty without runs_on_ec2."
  value       = one(aws_iam_instance_profile.chipledger[*].name)
}

output "queue_url" {
  description = "The queue that tells of new objects."
  value       = aws_sqs_queue.events.url
}

output "dead_letters_url" {
  description = "The queue of messages that failed five times."
  value       = aws_sqs_queue.dead_letters.url
}
