"""chipledger's product code: suppliers' files in, allocated cost out; free of Airflow."""
