// SPDX-License-Identifier: Apache-2.0
// What the JDK's decoders make of bytes; for generate_charsets.py. A line per question:
//   one|two|three|four NAME BYTES CODE      the first character (hex), all bytes taken
//   one|two|three|four NAME BYTES bad N     malformed or unmappable, N bytes taken
//   text NAME BYTES UTF8                    what Debezium's new String(bytes, charset) is
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Random;

public class JdkCharsets {
    private static final StringBuilder out = new StringBuilder();

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(String.format("%02x", b));
        }
        return text.toString();
    }

    /** What stands for `bytes` in front of blanks: a code, "bad N", or "short" when they are not taken as one character. */
    private static String ask(CharsetDecoder decoder, byte[] bytes) {
        byte[] padded = new byte[bytes.length + 4];
        java.util.Arrays.fill(padded, (byte) ' ');
        System.arraycopy(bytes, 0, padded, 0, bytes.length);
        for (int room = 1; room <= 2; room++) {
            ByteBuffer in = ByteBuffer.wrap(padded);
            CharBuffer chars = CharBuffer.allocate(room);
            CoderResult result = decoder.reset().decode(in, chars, true);
            if (chars.position() == 0 && result.isError()) {
                return "bad " + result.length();
            }
            if (chars.position() == 0) {
                continue; // a character outside the BMP
            }
            if (in.position() > bytes.length && chars.position() == 1 || in.position() < bytes.length && chars.get(0) != 0) {
                if (in.position() != bytes.length) {
                    return "short";
                }
            }
            return String.format("%04x", Character.codePointAt(chars.array(), 0, chars.position()));
        }
        return "short";
    }

    private static void line(String kind, String name, CharsetDecoder decoder, int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        String answer = ask(decoder, bytes);
        if (!answer.equals("short")) {
            out.append(kind).append(' ').append(name).append(' ').append(hex(bytes)).append(' ').append(answer).append('\n');
        }
    }

    private static void tables(String name, CharsetDecoder decoder) {
        for (int a = 0; a < 256; a++) {
            line("one", name, decoder, a);
        }
        if (decoder.charset().newEncoder().maxBytesPerChar() < 2) {
            return;
        }
        for (int a = 0x80; a < 256; a++) {
            for (int b = 0; b < 256; b++) {
                line("two", name, decoder, a, b);
            }
        }
        if (name.startsWith("EUC_JP")) {
            for (int b = 0; b < 256; b++) {
                for (int c = 0; c < 256; c++) {
                    line("three", name, decoder, 0x8f, b, c);
                }
            }
        }
        if (name.equals("GB18030")) {
            for (int i = 0; i < 126 * 10 * 126 * 10; i++) {
                line("four", name, decoder, 0x81 + i / 12600, 0x30 + i / 1260 % 10, 0x81 + i / 10 % 126, 0x30 + i % 10);
            }
            line("three", name, decoder, 0x81, 0x30, 0x20);
            line("three", name, decoder, 0x81, 0x30, 0xff);
            line("four", name, decoder, 0x81, 0x30, 0x81, 0x20);
            line("four", name, decoder, 0x81, 0x30, 0x81, 0xff);
        }
    }

    /** Texts of random characters and random bytes, the same ones at every run. */
    private static void texts(String name, Charset charset) {
        Random random = new Random(20_26);
        byte[][] boms = { {}, { -1 }, { -1, -2, 65, 0 }, { -2, -1, 0, 65 }, { -1, -2, 0, 0, 65, 0, 0, 0 },
            { 0, 0, -2, -1, 0, 0, 0, 65 }, { 0, 65, -1, -2, 0, 66 }, { 0, 0, 0, 65, 0, 0, -2, -1 }, { -40, 0, 0, 65, 66, 67 },
            { -36, 0, 0, 65 }, { 0, 65, -40, 0 }, { 0, -40, 65, 0 }, { 0, 0, -40, 0, 0, 0, 0, 65 }, { 1, 0, 0, 0, 0, 16, -1, -1 },
            { -113, -80, -95 }, { -113, -80 }, { -113 }, { -114, -79 }, { -127, 48, -127, 48 }, { -127, 48, -127 }, { -127, 48 },
            { -29, 50, -102, 53, -29, 50, -102, 54 } };
        for (int i = 0; i < 120; i++) {
            java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
            for (int n = random.nextInt(12); n >= 0; n--) {
                int kind = random.nextInt(i % 3 == 0 ? 3 : 8);
                if (kind == 0) {
                    bytes.write(random.nextInt(256));
                } else if (kind == 1) {
                    bytes.write(0x20 + random.nextInt(0x5f));
                } else {
                    int code = random.nextInt(4) == 0 ? 0x10000 + random.nextInt(0x400) : 0x80 + random.nextInt(0xff00);
                    String one = new String(Character.toChars(code));
                    if (!Character.isSurrogate(one.charAt(0)) || code >= 0x10000) {
                        bytes.writeBytes(one.getBytes(charset.name().equals("UTF-16") ? StandardCharsets.UTF_16BE : charset));
                    }
                }
            }
            byte[] in = i < boms.length ? boms[i] : bytes.toByteArray();
            String text = new String(in, charset);
            if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
                continue; // UTF-32's decoder lets lone surrogates through
            }
            out.append("text ").append(name).append(' ').append(in.length == 0 ? "-" : hex(in)).append(' ');
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            out.append(utf8.length == 0 ? "-" : hex(utf8)).append('\n');
        }
    }

    public static void main(String[] names) {
        for (String name : names) {
            Charset charset = Charset.forName(name);
            CharsetDecoder decoder = charset.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
            if (!name.startsWith("UTF-")) {
                tables(name, decoder);
            }
            texts(name, charset);
        }
        System.out.print(out);
    }
}
