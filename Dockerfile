# One image for everything: the sample application and its RQ worker, the assembler, the playback service.
FROM python:3.12.8-slim-bookworm

# rasterio's wheels bring their own GDAL, but take this one library from the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY recorder/ recorder/
COPY assembler/ assembler/
COPY playback/ playback/
COPY wctl/ wctl/
RUN pip install --no-cache-dir '.[playback,example]'
COPY examples/watershed/ examples/watershed/

# New volumes take their owner from these directories.
RUN useradd --uid 10001 --create-home profile \
    && install --directory --owner profile --group profile /srv/profiles /srv/runs /srv/recorder
USER profile
WORKDIR /srv/profiles
ENV PYTHONUNBUFFERED=1 PROFILE_DATA_ROOT=/srv/profiles
EXPOSE 8070
CMD ["python", "-m", "playback.service", "--host", "0.0.0.0"]
