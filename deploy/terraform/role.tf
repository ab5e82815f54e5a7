# The role that chipledger runs as. What it may do stands in ../iam-policy.json; here it is cut to these resources.
locals {
  policy  = jsondecode(file("${path.module}/../iam-policy.json"))
  buckets = [for bucket in concat([var.bucket], var.other_buckets) : "arn:${local.partition}:s3:::${bucket}"]
  scopes = {
    ListBuckets   = local.buckets
    ReadObjects   = [for bucket in local.buckets : "${bucket}/*"]
    ReadQueue     = [aws_sqs_queue.events.arn]
    AssumeReaders = [for account in var.linked_accounts : "arn:${local.partition}:iam::${account}:role/${var.reader_role}"]
    ReadWorkspace = var.prometheus_workspaces
  }
  scoped     = [for each in local.policy.Statement : merge(each, { Resource = lookup(local.scopes, each.Sid, each.Resource) })]
  statements = [for each in local.scoped : each if length(each.Resource) > 0]
  issuer     = replace(var.oidc_provider_arn, "/^.*:oidc-provider\\//", "")
}

data "aws_iam_policy_document" "trust" {
  dynamic "statement" {
    for_each = var.runs_on_ec2 ? ["ec2"] : []
    content {
      sid     = "Instances"
      actions = ["sts:AssumeRole"]
      principals {
        type        = "Service"
        identifiers = ["ec2.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.oidc_provider_arn == "" ? [] : ["eks"]
    content {
      sid     = "ServiceAccounts"
      actions = ["sts:AssumeRoleWithWebIdentity"]
      principals {
        type        = "Federated"
        identifiers = [var.oidc_provider_arn]
      }
      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:aud"
        values   = ["sts.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:sub"
        values   = [for account in var.service_accounts : "system:serviceaccount:${account}"]
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.trusted_principals) == 0 ? [] : ["principals"]
    content {
      sid     = "Principals"
      actions = ["sts:AssumeRole"]
      principals {
        type        = "AWS"
        identifiers = var.trusted_principals
      }
      condition {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [var.external_id]
      }
    }
  }
}

resource "aws_iam_role" "chipledger" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json

  lifecycle {
    precondition {
      condition     = var.runs_on_ec2 || var.oidc_provider_arn != "" || length(var.trusted_principals) > 0
      error_message = "Nobody could take the role: set runs_on_ec2, oidc_provider_arn or trusted_principals."
    }
  }
}

resource "aws_iam_role_policy" "chipledger" {
  name   = "reads"
  role   = aws_iam_role.chipledger.id
  policy = jsonencode({ Version = local.policy.Version, Statement = local.statements })
}

resource "aws_iam_instance_profile" "chipledger" {
  count = var.runs_on_ec2 ? 1 : 0
  name  = var.name
  role  = aws_iam_role.chipledger.name
}
