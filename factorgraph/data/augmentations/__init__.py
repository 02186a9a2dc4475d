from factorgraph.spec.forms import namespace

__getattr__, __dir__ = namespace("augmentations")
