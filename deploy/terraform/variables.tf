variable "name" {
  description = "Prefix of every resource that is made."
  type        = string
  default     = "chipledger"
}

variable "region" {
  description = "Region of the bucket, the queue and the streams. S3 notifies queues of its own region only."
  type        = string
}

variable "tags" {
  description = "Tags of every resource that is made."
  type        = map(string)
  default     = { app = "chipledger" }
}

variable "bucket" {
  description = "Name of the bucket to make: cost exports, telemetry and streams arrive in it."
  type        = string
}

variable "other_buckets" {
  description = "Names of buckets that exist already and are read too. They are swept on time, not by event: their notifications stay their owner's."
  type        = list(string)
  default     = []
}

variable "retention_days" {
  description = "Days that telemetry, metric streams and log events stay in the bucket. Cost exports stay: each is a restatement."
  type        = number
  default     = 400
}

variable "runs_on_ec2" {
  description = "Make an instance profile, so that EC2 instances can take the role."
  type        = bool
  default     = false
}

variable "oidc_provider_arn" {
  description = "ARN of an EKS cluster's OIDC provider, so that its service accounts can take the role (IRSA). Empty: none."
  type        = string
  default     = ""
}

variable "service_accounts" {
  description = "Service accounts of that cluster that may take the role, as namespace:name."
  type        = list(string)
  default     = ["chipledger:chipledger"]
}

variable "trusted_principals" {
  description = "ARNs of IAM roles or users that may take the role; each must send external_id."
  type        = list(string)
  default     = []
}

variable "external_id" {
  description = "What trusted principals must send to take the role. No secret, but hard to guess."
  type        = string
  default     = ""

  validation {
    condition     = length(var.external_id) >= 16 || length(var.trusted_principals) == 0
    error_message = "Trusted principals need an external id of at least 16 characters, for example a UUID."
  }
}

variable "linked_accounts" {
  description = "Accounts whose reader role (folder reader/) this role may take, for their inventory."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for account in var.linked_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "An account is twelve digits, in quotes."
  }
}

variable "reader_role" {
  description = "Name of the reader role in each linked account."
  type        = string
  default     = "chipledger-reader"
}

variable "prometheus_workspaces" {
  description = "ARNs of Amazon Managed Prometheus workspaces that are queried."
  type        = list(string)
  default     = []
}

variable "cost_export" {
  description = "Make the hourly CUR 2.0 export. Only the payer account, or an account that pays for itself, sees the whole bill."
  type        = bool
  default     = true
}

variable "split_cost_allocation" {
  description = "Export AWS's split cost allocation rows of EKS and ECS too. They are recognised and never counted twice; the export grows by one row per pod and hour."
  type        = bool
  default     = false
}

variable "metric_stream" {
  description = "Stream CloudWatch's accelerator metrics into the bucket: minutes instead of an hour, at about 18 times the price of hourly pulls."
  type        = bool
  default     = false
}

variable "metric_stream_format" {
  description = "json or opentelemetry1.0; both are read."
  type        = string
  default     = "json"

  validation {
    condition     = contains(["json", "opentelemetry1.0"], var.metric_stream_format)
    error_message = "Choose json or opentelemetry1.0: other formats are not read."
  }
}

variable "performance_log_groups" {
  description = "Container Insights log groups whose accelerator events go into the bucket, as /aws/containerinsights/CLUSTER/performance. A group takes two subscriptions at most."
  type        = list(string)
  default     = []
}
