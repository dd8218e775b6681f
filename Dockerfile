# imageclinic with the App, for a user without rights. docs/how-to/install.md says how it is run.
FROM python:3.11-slim-bookworm

# What mongod, the App's database, is linked with.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4 libssl3 \
    && rm -rf /var/lib/apt/lists/*

# The rooms go where imageclinic/ has links to them.
COPY pyproject.toml README.md LICENSE /src/
COPY imageclinic /src/imageclinic
COPY audit /src/audit
COPY cleaning /src/cleaning
COPY training /src/training
COPY sample_data /src/sample_data
RUN pip install --no-cache-dir /src && rm -rf /src

RUN useradd --create-home --uid 1000 imageclinic && mkdir /data && chown imageclinic /data
USER imageclinic
ENV FIFTYONE_DO_NOT_TRACK=true
WORKDIR /data
# The App listens here, once it is started with --address 0.0.0.0. Map it to your own machine alone:
# docker run -p 127.0.0.1:5151:5151 …
EXPOSE 5151
ENTRYPOINT ["imageclinic"]
CMD ["--help"]
