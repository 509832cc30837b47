"""
A real Apache Kafka of one node, which keeps its topics over a restart.
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from servers.certificates import Authority, Identity
from servers.kafka_client import Kafka
from servers.kafka_jars import VERSION, jars
from servers.running import Running, answers, free_ports

_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
controller.quorum.election.timeout.ms=100
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:{plain},TLS://127.0.0.1:{tls},\
MTLS://127.0.0.1:{mtls},SASL://127.0.0.1:{sasl},\
CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
TLS:SSL,MTLS:SSL,SASL:SASL_SSL
log.dirs={folder}/data
auto.create.topics.enable={auto_create}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
log.segment.delete.delay.ms=1000
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.mtls.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required {users};
listener.name.sasl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN=client;User:{writer}
"""

_JAVA = (
    *("java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto"),
    # what it saves at the start is more than what it costs afterwards
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)
# 16 bytes in base 64
_CLUSTER = "mllogTestsOfKafka0000A"
_LISTENERS = ("plain", "tls", "mtls", "sasl", "controller")


class User(NamedTuple):
    """
    Who signs in by PLAIN or SCRAM-SHA-512.
    """

    name: str
    password: str


class Broker(Kafka):
    """
    An Apache Kafka that is broker and controller in one.

    Args:
        folder: Where its configuration, certificates, data and log are.

        auto_create: Whether a topic is made by writing to it.  Without it
            the error of a missing topic can be had, which the mock lacks.

    Attributes:
        writer: Who may do everything.

        limited: Who sees all topics, and may write only those whose name
            begins with "allowed": others are TOPIC_AUTHORIZATION_FAILED.

        stranger: Whose password is right, and who may do nothing.

        client: A certificate and its key that ``mtls_bootstrap`` takes.
    """

    name = f"Apache Kafka {VERSION}"
    writer = User("writer", "may-write")
    limited = User("limited", "may-write-little")
    stranger = User("stranger", "may-nothing")

    def __init__(self, folder: Path, *, auto_create: bool = False) -> None:
        self.folder = folder
        self._ports = dict(zip(_LISTENERS, free_ports(5), strict=True))
        super().__init__(self._at("plain"))
        self.tls_bootstrap = self._at("tls")
        self.mtls_bootstrap = self._at("mtls")
        self.sasl_bootstrap = self._at("sasl")
        self.authority = Authority(folder / "certificates")
        self.ca_file: str = self.authority.cert
        self.client = self.authority.identity("client")
        self._config = folder / "server.properties"
        self._configure(self.authority.identity("server"), auto_create)
        self._java = [*_JAVA, "-cp", f"{jars()}/*"]
        self._format()
        self._process = Running(
            [*self._java, "kafka.Kafka", str(self._config)],
            self._is_up,
            folder / "kafka.log",
        )
        self._is_new = True

    @property
    def users(self) -> tuple[User, ...]:
        """
        All who can sign in.
        """
        return self.writer, self.limited, self.stranger

    @property
    def pid(self) -> int | None:
        """
        The process id; None while it is stopped.
        """
        return self._process.pid

    def start(self) -> None:
        """
        Start it on its ports with its data, unless it runs.
        """
        self.resume()
        self._process.start(timeout=45)
        if self._is_new:
            self._allow()
            self._is_new = False

    def stop(self) -> None:
        """
        Stop it in order; its ports refuse.
        """
        self.resume()
        self._process.stop(timeout=20)

    def kill(self) -> None:
        """
        End it by SIGKILL; what it acknowledged is in its files.
        """
        self._process.stop(kill=True)

    def pause(self) -> None:
        """
        Stop its process by SIGSTOP: it takes connections, answers nothing.
        """
        self._process.pause()

    def resume(self) -> None:
        """
        Have its process go on.
        """
        self._process.resume()

    def _at(self, listener: str) -> str:
        return f"127.0.0.1:{self._ports[listener]}"

    def _configure(self, identity: Identity, auto_create: bool) -> None:
        keystore = self.folder / "keystore.pem"
        keystore.write_text(
            Path(identity.key).read_text() + Path(identity.cert).read_text()
        )
        users = (f'user_{one.name}="{one.password}"' for one in self.users)
        self._config.write_text(
            _CONFIG.format(
                folder=self.folder,
                auto_create=str(auto_create).lower(),
                keystore=keystore,
                ca=self.ca_file,
                users=" ".join(users),
                writer=self.writer.name,
                **self._ports,
            )
        )

    def _format(self) -> None:
        """
        Prepare the folder of the data, which holds the passwords for SCRAM.
        """
        passwords = (
            f"SCRAM-SHA-512=[name={one.name},password={one.password}]"
            for one in self.users
        )
        done = subprocess.run(
            [
                *(*self._java, "kafka.tools.StorageTool", "format"),
                *("--standalone", "--cluster-id", _CLUSTER),
                *("--config", str(self._config)),
                *(word for one in passwords for word in ("--add-scram", one)),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _is_up(self) -> bool:
        if not all(
            answers(("127.0.0.1", port), socket.SOCK_STREAM)
            for port in self._ports.values()
        ):
            return False
        from confluent_kafka import KafkaException

        try:
            return bool(self.admin().list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def _allow(self) -> None:
        """
        Say what ``limited`` may do.
        """
        from confluent_kafka.admin import (
            AclOperation,
            ResourcePatternType,
        )

        rights = [
            self._right("*", ResourcePatternType.LITERAL, operation)
            for operation in (AclOperation.DESCRIBE, AclOperation.READ)
        ]
        rights.append(
            self._right(
                "allowed", ResourcePatternType.PREFIXED, AclOperation.WRITE
            )
        )
        # a client that nobody holds ends, and its calls with it
        admin = self.admin()
        for made in admin.create_acls(rights).values():
            made.result(timeout=30)

    def _right(self, name: str, pattern: Any, operation: Any) -> Any:
        from confluent_kafka.admin import (
            AclBinding,
            AclPermissionType,
            ResourceType,
        )

        return AclBinding(
            ResourceType.TOPIC,
            name,
            pattern,
            f"User:{self.limited.name}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
