"""What a stage becomes on a platform: a Kubeflow component, a compose service; all derived from its definition."""
