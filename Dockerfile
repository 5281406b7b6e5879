# recap with all that a study needs, on CPUs. PyTorch's build without CUDA comes from the CPU package
# index (look it up on https://pytorch.org/get-started/locally); without TORCH_INDEX it is the large one.
#
#   docker build --tag recap --build-arg TORCH_INDEX=ADDRESS .
#   mkdir mystudy
#   alias in-recap='docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD/mystudy:/study" recap'
#   in-recap recap init .
#   in-recap snakemake --cores all
FROM python:3.12-slim

ARG TORCH_INDEX=""
COPY constraints.txt /recap/
RUN test -z "$TORCH_INDEX" || \
    pip install --no-cache-dir --constraint /recap/constraints.txt --index-url "$TORCH_INDEX" torch
COPY . /recap
RUN pip install --no-cache-dir --constraint /recap/constraints.txt '/recap[workflow]'

# Whoever runs it has a name, and a place for what Snakemake and Matplotlib keep.
ENV HOME=/tmp USER=recap
WORKDIR /study
CMD ["snakemake", "--cores", "all"]
