output "role_arn" {
  description = "The reader role of this account."
  value       = aws_iam_role.reader.arn
}
