"""What a family of models is to reference.py."""


def unit(features):
    return features / features.norm(dim=-1, keepdim=True)


class Family:
    """A model in the files of its own library, and that library's numbers."""

    #: Shown in the table.
    name: str
    #: The layout in which limn saves it and `read_back` reads it; None where no library reads what
    #: limn can write.
    saved_as = None
    #: Whether `prepare` is what limn has to equal: the picture processor of the same library.
    has_processor = True
    #: long [N, T]; None for an image tower alone.
    tokens = None

    def write(self, folder):
        """Writes the model with random weights."""
        raise NotImplementedError

    def read(self, folder):
        """The model by the library's own loader, every weight accounted for; and what `prepare` needs."""
        raise NotImplementedError

    def read_back(self, folder):
        """As `read`, of what limn saved."""
        return self.read(folder)

    def prepare(self, read, images):
        """Pictures as the model takes them: `pixels`, and what else the layout has."""
        raise NotImplementedError

    def embed(self, read, prepared):
        """`image` and, of a pair, `text` and `logits`."""
        raise NotImplementedError

    def state(self, read):
        """The weights by their names in the layout that limn saves."""
        return read[0].state_dict()
