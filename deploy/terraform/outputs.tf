output "lake" {
  value       = "gs://${google_storage_bucket.lake.name}"
  description = "The bucket"
}

output "dataset" {
  value       = google_bigquery_dataset.hospital.dataset_id
  description = "The dataset of the external tables"
}

output "sync_account" {
  value       = google_service_account.sync.email
  description = "Who copies the lake"
}

output "dbt_account" {
  value       = google_service_account.dbt.email
  description = "Who runs dbt"
}
