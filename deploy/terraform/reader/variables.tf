variable "chipledger_role_arn" {
  description = "Output role_arn of the folder above, from the account that chipledger runs in."
  type        = string
}

variable "external_id" {
  description = "What chipledger's role must send to take this one. Empty: nothing, its ARN is enough."
  type        = string
  default     = ""
}

variable "reader_role" {
  description = "Name of the role to make, the same as in the folder above."
  type        = string
  default     = "chipledger-reader"
}
