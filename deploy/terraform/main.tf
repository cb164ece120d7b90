# The lake in Google Cloud: a bucket for the folders date=YYYY-MM-DD, a dataset
# for BigQuery, and external tables over what hospital_export writes as JSON Lines
# and tools/lake_sync.sh brings here (<prefix>/<table>/date=YYYY-MM-DD/<table>.jsonl.gz).
# The tables are those of bigquery/external_tables.sql, for who has Terraform.

terraform {
  required_version = ">= 1.5"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

locals {
  # Tables with a folder for each day, and those that are one file.
  daily   = toset(var.daily_tables)
  whole   = toset(var.whole_tables)
  lake    = "gs://${google_storage_bucket.lake.name}/${var.prefix}"
  schemas = { for t in setunion(local.daily, local.whole) : t => "${var.schemas}/${t}.json" if fileexists("${var.schemas}/${t}.json") }
}

resource "google_storage_bucket" "lake" {
  name                        = var.bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy

  # What is copied again by mistake can be had back for a week.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 7
    }
    action {
      type = "Delete"
    }
  }

  # Days that nobody looks at any more cost less; what is read back costs more.
  dynamic "lifecycle_rule" {
    for_each = var.colder_after_days
    content {
      condition {
        age            = lifecycle_rule.value
        matches_prefix = ["${var.prefix}/"]
      }
      action {
        type          = "SetStorageClass"
        storage_class = lifecycle_rule.key
      }
    }
  }

  # A copy that was cut short leaves parts.
  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }
}

resource "google_bigquery_dataset" "hospital" {
  dataset_id                 = var.dataset
  location                   = var.region
  description                = "The hospital's lake as external tables; the marts are in datasets of dbt's"
  delete_contents_on_destroy = var.force_destroy
}

# The key of the partitions is "date"; no file has a field of that name.
resource "google_bigquery_table" "daily" {
  for_each            = local.daily
  dataset_id          = google_bigquery_dataset.hospital.dataset_id
  table_id            = each.key
  deletion_protection = false
  schema              = contains(keys(local.schemas), each.key) ? file(local.schemas[each.key]) : null

  external_data_configuration {
    source_format         = "NEWLINE_DELIMITED_JSON"
    compression           = "GZIP"
    autodetect            = !contains(keys(local.schemas), each.key)
    ignore_unknown_values = false
    max_bad_records       = 0
    source_uris           = ["${local.lake}/${each.key}/*"]

    hive_partitioning_options {
      mode                     = "CUSTOM"
      source_uri_prefix        = "${local.lake}/${each.key}/{date:DATE}"
      require_partition_filter = false
    }
  }
}

resource "google_bigquery_table" "whole" {
  for_each            = local.whole
  dataset_id          = google_bigquery_dataset.hospital.dataset_id
  table_id            = each.key
  deletion_protection = false
  schema              = contains(keys(local.schemas), each.key) ? file(local.schemas[each.key]) : null

  external_data_configuration {
    source_format         = "NEWLINE_DELIMITED_JSON"
    compression           = "GZIP"
    autodetect            = !contains(keys(local.schemas), each.key)
    ignore_unknown_values = false
    max_bad_records       = 0
    source_uris           = ["${local.lake}/${each.key}/*"]
  }
}

# Who copies the lake: may write files, and nothing else.
resource "google_service_account" "sync" {
  account_id   = "${var.dataset}-lake-sync"
  display_name = "Copies the hospital's lake"
}

resource "google_storage_bucket_iam_member" "sync" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${google_service_account.sync.email}"
}

# Who runs dbt: reads the lake, makes datasets of its own.
resource "google_service_account" "dbt" {
  account_id   = "${var.dataset}-dbt"
  display_name = "Makes the hospital's marts"
}

resource "google_storage_bucket_iam_member" "dbt" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.dbt.email}"
}

resource "google_project_iam_member" "dbt" {
  for_each = toset(["roles/bigquery.jobUser", "roles/bigquery.user"])
  project  = var.project
  role     = each.key
  member   = "serviceAccount:${google_service_account.dbt.email}"
}

resource "google_bigquery_dataset_iam_member" "dbt" {
  dataset_id = google_bigquery_dataset.hospital.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = "serviceAccount:${google_service_account.dbt.email}"
}
