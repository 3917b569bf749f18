variable "name" {
  description = "Of the role and of its policy."
  type        = string
  default     = "packseal-evidence"
}

variable "bucket" {
  description = "The bucket's name, unique in all of OSS. It is created."
  type        = string
}

variable "prefix" {
  description = "The prefix of the sink: the role may write nowhere else."
  type        = string
  default     = "packseal"
}

variable "redundancy_type" {
  description = "ZRS keeps each object in three zones, LRS in one. Some regions have only LRS."
  type        = string
  default     = "ZRS"
}

variable "kms_key_id" {
  description = "The KMS key that encrypts the objects; without one OSS encrypts with its own (AES256)."
  type        = string
  default     = null
}

variable "worm_days" {
  description = "The retention policy (BucketWorm): for so many days nobody can delete or replace an object. 1827 are five years. None if null."
  type        = number
  default     = null
}

variable "worm_locked" {
  description = "Locks the retention policy. THIS CANNOT BE UNDONE, not even by the account's owner. A policy that is not locked within 24 hours lapses."
  type        = bool
  default     = false
}

variable "trusted_role" {
  description = "The ARN of the role that may assume this one: role_arn of the module reports."
  type        = string
}

variable "external_id" {
  description = "What trusted_role has to give as external_id."
  type        = string
  default     = null
}
