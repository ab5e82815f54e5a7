# Applied in each linked account: a role that chipledger's role may take to read that account's inventory and metrics.
terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}

locals {
  policy     = jsondecode(file("${path.module}/../../iam-policy.json"))
  statements = [for each in local.policy.Statement : each if contains(["ReadInventory", "ReadMetrics"], each.Sid)]
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "Chipledger"
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [var.chipledger_role_arn]
    }
    dynamic "condition" {
      for_each = var.external_id == "" ? [] : [var.external_id]
      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_role" "reader" {
  name               = var.reader_role
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "reader" {
  name   = "reads"
  role   = aws_iam_role.reader.id
  policy = jsonencode({ Version = local.policy.Version, Statement = local.statements })
}
