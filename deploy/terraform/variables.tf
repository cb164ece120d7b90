variable "project" {
  type        = string
  description = "Project of Google Cloud"
}

variable "region" {
  type        = string
  default     = "africa-south1"
  description = "Where bucket and dataset are"
}

variable "bucket" {
  type        = string
  default     = "hospital_datalake"
  description = "Name of the bucket; names are the whole world's, so choose one of your own"
}

variable "dataset" {
  type        = string
  default     = "hospital"
  description = "Dataset of the external tables, the source of dbt's target bigquery"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,17}$", var.dataset))
    error_message = "Small letters and digits, 3 to 18: the service accounts are named after it."
  }
}

variable "prefix" {
  type        = string
  default     = "hospital/jsonl.gz"
  description = "Folder of the bucket that the lake is copied to"
}

variable "schemas" {
  type        = string
  default     = "../../bigquery/schemas"
  description = "Folder with <table>.json, BigQuery's schema of each table; a table without one is detected"
}

variable "daily_tables" {
  type        = list(string)
  description = "Tables that are exported with a folder for each day"
  default = [
    "patients", "admissions", "visits", "status_updates", "doctor_assignments", "transfers", "diagnoses",
    "treatments", "lab_results", "vital_signs", "prescriptions", "billing_payments", "staff_changes",
    "staff_assignments",
  ]
}

variable "whole_tables" {
  type        = list(string)
  description = "Tables that are exported as one file"
  default = [
    "people", "doctors", "staff", "departments", "wards", "ward_plan", "staff_roles", "triage_sats", "medicines",
  ]
}

variable "colder_after_days" {
  type        = map(number)
  default     = { NEARLINE = 90, COLDLINE = 365 }
  description = "After how many days files go to which class of storage"
}

variable "force_destroy" {
  type        = bool
  default     = false
  description = "terraform destroy removes bucket and dataset with all that is in them"
}
