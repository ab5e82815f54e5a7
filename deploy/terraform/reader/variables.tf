variable "chipledger_role_arn" {
  description = "Output role_arn of the folder above, from the account that chipledger runs in."
  type        = string
}

variable "external_id" {
  description = "The same external_id as in the folder above."
  type        = string
}

variable "reader_role" {
  description = "Name of the role to make, the same as in the folder above."
  type        = string
  default     = "chipledger-reader"
}
