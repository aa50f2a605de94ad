"""What every environment shares; each import below is one concern."""

from .admin import *
from .apps import *
from .bookings import *
from .cache import *
from .conversations import *
from .csp import *
from .database import *
from .env import *
from .files import *
from .graphql import *
from .i18n import *
from .identity import *
from .logging import *
from .mail import *
from .metrics import *
from .notifications import *
from .repairs import *
from .rest import *
from .roles import *
from .security import *
from .sentry import *
from .shipping import *
from .shop import *
from .tasks import *
from .uploads import *
