# SPDX-License-Identifier: Apache-2.0
"""A small client for tests: one session that lasts, statements as exact bytes, rows as lists of bytes or None.

Knows the text protocol over a Unix socket for an account without a password, nothing else
(Source: MySQL internals, "Client/Server Protocol").
"""
import socket
import struct


class SqlError(RuntimeError):
    """The server refused a statement; `number` is its error number."""

    def __init__(self, number, text):
        super().__init__(f"{number}: {text}")
        self.number = number


CAPABILITIES = (0x00000001 | 0x00000004 | 0x00000200 | 0x00002000 | 0x00008000 | 0x00080000)
# LONG_PASSWORD LONG_FLAG PROTOCOL_41 TRANSACTIONS SECURE_CONNECTION PLUGIN_AUTH
UTF8MB4 = 45


class Client:
    def __init__(self, path, user="root"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(120)
        self.file = self.socket.makefile("rb", 1 << 16)
        self.sequence = 0
        self._read()
        self._write(struct.pack("<IIB23x", CAPABILITIES, 1 << 24, UTF8MB4) + user.encode() + b"\0" + b"\0" +
                    b"mysql_native_password\0")
        while True:
            packet = self._read()
            if packet[:1] == b"\xfe":  # another plugin: an empty password answers them all
                self._write(b"")
            elif packet[:1] == b"\x00":
                break
            elif packet[:1] == b"\xff":
                raise self._error(packet)

    def close(self):
        self.file.close()
        self.socket.close()

    def _read(self):
        body = b""
        while True:
            head = self.file.read(4)
            if len(head) < 4:
                raise ConnectionError("the server hung up")
            size = head[0] | head[1] << 8 | head[2] << 16
            self.sequence = (head[3] + 1) & 255
            body += self.file.read(size)
            if size < 0xFFFFFF:
                return body

    def _write(self, body):
        self.socket.sendall(struct.pack("<I", len(body))[:3] + bytes([self.sequence]) + body)

    @staticmethod
    def _error(packet):
        return SqlError(struct.unpack_from("<H", packet, 1)[0], packet[9:].decode(errors="replace"))

    @staticmethod
    def _lenenc(packet, at):
        first = packet[at]
        if first < 0xFB:
            return first, at + 1
        size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
        return int.from_bytes(packet[at + 1:at + 1 + size], "little"), at + 1 + size

    def query(self, statement):
        """Rows of one statement; an empty list when it gives none. Raises SqlError."""
        self.sequence = 0
        self._write(b"\x03" + (statement if isinstance(statement, bytes) else statement.encode()))
        packet = self._read()
        if packet[:1] == b"\xff":
            raise self._error(packet)
        if packet[:1] == b"\x00":
            return []
        count, _ = self._lenenc(packet, 0)
        for _ in range(count):
            self._read()
        rows = []
        ends = 0
        while ends < 2:
            packet = self._read()
            if packet[:1] == b"\xff":
                raise self._error(packet)
            if packet[:1] == b"\xfe" and len(packet) < 9:
                ends += 1
                continue
            row, at = [], 0
            while at < len(packet):
                if packet[at] == 0xFB:
                    row.append(None)
                    at += 1
                else:
                    size, at = self._lenenc(packet, at)
                    row.append(packet[at:at + size])
                    at += size
            rows.append(row)
        return rows

    def texts(self, statement):
        """The same rows with cells as text."""
        return [[None if cell is None else cell.decode(errors="surrogateescape") for cell in row]
                for row in self.query(statement)]
