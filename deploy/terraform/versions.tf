terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = var.tags
  }
}

# Data Exports answers in us-east-1 alone, wherever the bucket lies.
provider "aws" {
  alias  = "billing"
  region = "us-east-1"
  default_tags {
    tags = var.tags
  }
}

data "aws_caller_identity" "here" {}
data "aws_partition" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
  # what the code reads: a test keeps this file equal to pipeline/sources
  reads = jsondecode(file("${path.module}/reads.json"))
}
