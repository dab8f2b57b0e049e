#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Debezium Server as a process, where one is installed: DEBEZIUM_SERVER_HOME names its unpacked distribution, JAVA_HOME (else
the path) the Java that runs it."""
import glob
import os
import shutil
import signal

from engine import Process, clean_env, write_properties

HOME = os.environ.get("DEBEZIUM_SERVER_HOME", "")
JAVA = os.path.join(os.environ["JAVA_HOME"], "bin/java") if os.environ.get("JAVA_HOME") else shutil.which("java")
EXIT_OF_SIGTERM = 143
STOP_SECONDS = 60


def lacks():
    """Why no Debezium Server can be run; empty when one can."""
    if not glob.glob(os.path.join(HOME, "debezium-server-*runner.jar")):
        return f"DEBEZIUM_SERVER_HOME = \"{HOME}\": no Debezium Server there"
    return "" if JAVA and os.path.exists(JAVA) else "no Java: set JAVA_HOME"


class Debezium:
    """Debezium Server with a generated application.properties; as engine.Engine, as far as tests need it."""

    def __init__(self, workdir, properties, name="debezium"):
        self.folder = os.path.join(workdir, name)
        self.properties = dict(properties)
        self.output_path = os.path.join(workdir, f"{name}.log")
        self.process = None

    def launch(self):
        assert self.process is None or self.process.poll() is not None
        os.makedirs(os.path.join(self.folder, "config"), exist_ok=True)
        write_properties(os.path.join(self.folder, "config/application.properties"), self.properties)
        runner, = glob.glob(os.path.join(HOME, "debezium-server-*runner.jar"))
        path = ":".join((runner, os.path.join(self.folder, "config"), os.path.join(HOME, "config/lib"), os.path.join(HOME, "lib/*")))
        self.process = Process([JAVA, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Daws.cborEnabled=false",
                                "-Dquarkus.http.port=0", "-Duser.timezone=UTC", "-cp", path, "io.debezium.server.Main"],
                               self.output_path, clean_env(AWS_CBOR_DISABLE="true"), lambda: os.chdir(self.folder))
        return self

    @property
    def output(self):
        return self.process.output

    def stop(self):
        """SIGTERM; 0 for its exit code of that."""
        self.process.signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        return 0 if code == EXIT_OF_SIGTERM else code

    def kill(self):
        if self.process is not None:
            self.process.kill()
