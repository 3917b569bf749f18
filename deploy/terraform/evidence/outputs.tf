output "bucket" {
  description = "For the sink."
  value       = alicloud_oss_bucket.this.bucket
}

output "role_arn" {
  description = "For credentials.role_arn of the sink, and assume_roles of the module reports."
  value       = alicloud_ram_role.this.arn
}
