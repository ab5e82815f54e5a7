# chipledger with everything it needs, as an ordinary user. The package index is that of the build (PIP_INDEX_URL).
FROM python:3.12-slim

ARG PIP_INDEX_URL
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 GX_ANALYTICS_ENABLED=false

WORKDIR /app
COPY requirements.lock ./
RUN pip install --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY alerts alerts
COPY dags dags
COPY sql sql
RUN pip install --no-deps --no-build-isolation --editable . \
    && useradd --create-home --uid 1000 chipledger \
    && mkdir /ledger /services /fleet \
    && chown chipledger:chipledger /ledger /services /fleet
ENV PYTHONPATH=/app

USER chipledger
CMD ["chipledger", "--help"]
